"""Validates JSON files by a schema with jsonschema: one line a file, its name and where the first mistakes are.

    validate_schema.py SCHEMA.json FOLDER
"""
import json
import os
import sys

import jsonschema

schema = json.load(open(sys.argv[1]))
jsonschema.Draft7Validator.check_schema(schema)
validator = jsonschema.Draft7Validator(schema)
for name in sorted(os.listdir(sys.argv[2])):
    errors = validator.iter_errors(json.load(open(os.path.join(sys.argv[2], name))))
    places = sorted({"/".join(str(p) for p in e.absolute_path) + ": " + e.message[:100] for e in errors})
    print(name, *(places[:3] if places else ["fits"]), sep="\t")
