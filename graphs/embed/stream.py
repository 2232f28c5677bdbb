#!/usr/bin/env python3
"""stream.py - a trained language model writes, through the installed library and nothing else.

    python3 stream.py MODEL.yaml WEIGHTS.safetensors PROMPT LENGTH [KEY=VALUE]...

GRAPHRUN_LIBRARY names libgraphrun.so where the system does not find it. The model's Input is called "tokens", and it
generates from "logits", [time, batch, vocabulary]."""
import ctypes
import ctypes.util
import os
import sys
from ctypes import POINTER, Structure, byref, c_bool, c_char_p, c_int, c_int32, c_int64, c_size_t, c_uint64, c_void_p, sizeof

MAX_RANK = 8


class Tensor(Structure):
    _fields_ = [("data", c_void_p), ("dtype", c_int), ("rank", c_int), ("dim", c_int64 * MAX_RANK),
                ("stride", c_int64 * MAX_RANK)]


class AxisSize(Structure):
    _fields_ = [("axis", c_char_p), ("length", c_int64)]


class NetworkOptions(Structure):
    _fields_ = [("size", c_size_t), ("weights", c_char_p), ("sets", POINTER(c_char_p)), ("plugins", POINTER(c_char_p)),
                ("dtype", c_int), ("weights_dtype", c_int), ("threads", c_int), ("seed", c_uint64), ("memory", c_void_p),
                ("notify", c_void_p), ("notify_data", c_void_p)]


class StreamOptions(Structure):
    _fields_ = [("size", c_size_t), ("results", POINTER(c_char_p)), ("along", c_char_p), ("axes", POINTER(AxisSize)),
                ("num_axes", c_int)]


def load():
    path = os.environ.get("GRAPHRUN_LIBRARY") or ctypes.util.find_library("graphrun")
    if not path:
        sys.exit("stream.py: there is no libgraphrun.so; GRAPHRUN_LIBRARY can name one")
    lib = ctypes.CDLL(path)
    lib.gr_failure_text.restype = c_char_p
    lib.gr_network_word.restype = c_char_p
    lib.gr_network_encode.restype = c_int64
    lib.gr_failure_text.argtypes = lib.gr_failure_free.argtypes = [c_void_p]
    lib.gr_network_open.argtypes = [c_char_p, POINTER(NetworkOptions), POINTER(c_void_p), POINTER(c_void_p)]
    lib.gr_network_close.argtypes = lib.gr_stream_close.argtypes = [c_void_p]
    lib.gr_network_word.argtypes = [c_void_p, c_char_p, c_int32]
    lib.gr_network_words.argtypes = lib.gr_network_spaced.argtypes = [c_void_p, c_char_p]
    lib.gr_network_spaced.restype = c_bool
    lib.gr_network_encode.argtypes = [c_void_p, c_char_p, c_char_p, POINTER(c_int32), c_int64, POINTER(c_void_p)]
    lib.gr_stream_open.argtypes = [c_void_p, POINTER(StreamOptions), POINTER(c_void_p), POINTER(c_void_p)]
    lib.gr_stream_input.argtypes = lib.gr_stream_result.argtypes = [c_void_p, c_char_p, POINTER(Tensor), POINTER(c_void_p)]
    lib.gr_stream_run.argtypes = [c_void_p, POINTER(c_void_p)]
    return lib


class Model:
    """A network and one stream of it that is fed item by item: with Model(...) as model."""

    def __init__(self, lib, model, weights, sets):
        self.lib, self.why = lib, c_void_p()
        self.network, self.stream = c_void_p(), c_void_p()
        self.token, self.logits = Tensor(), Tensor()
        try:
            self.open(model, weights, sets)
        except RuntimeError:
            self.close()
            raise

    def open(self, model, weights, sets):
        lib = self.lib
        texts = (c_char_p * (len(sets) + 1))(*[s.encode() for s in sets], None)
        o = NetworkOptions(size=sizeof(NetworkOptions), weights=weights.encode(), sets=texts)
        self.check(lib.gr_network_open(model.encode(), byref(o), byref(self.network), byref(self.why)))
        one = AxisSize(b"batch", 1)
        so = StreamOptions(size=sizeof(StreamOptions), along=b"time", axes=ctypes.pointer(one), num_axes=1)
        self.check(lib.gr_stream_open(self.network, byref(so), byref(self.stream), byref(self.why)))
        self.check(lib.gr_stream_input(self.stream, b"tokens", byref(self.token), byref(self.why)))
        self.check(lib.gr_stream_result(self.stream, b"logits", byref(self.logits), byref(self.why)))
        self.items = ctypes.cast(self.token.data, POINTER(c_int32))
        self.scores = ctypes.cast(self.logits.data, POINTER(ctypes.c_float))
        self.words = min(lib.gr_network_words(self.network, b"tokens"), self.logits.dim[self.logits.rank - 1])
        self.space = " " if lib.gr_network_spaced(self.network, b"tokens") else ""

    def check(self, status):
        if status < 0:
            text = self.lib.gr_failure_text(self.why).decode()
            self.lib.gr_failure_free(self.why)
            raise RuntimeError(text)
        return status

    def encode(self, text):
        def encode(items, room):
            return self.check(self.lib.gr_network_encode(self.network, b"tokens", text.encode(), items, room, byref(self.why)))
        items = (c_int32 * encode(None, 0))()
        encode(items, len(items))
        return list(items)

    def read(self, item):
        """Feeds an item; the likeliest to come next."""
        self.items[0] = item
        self.check(self.lib.gr_stream_run(self.stream, byref(self.why)))
        return max(range(self.words), key=lambda i: self.scores[i])

    def word(self, item):
        return self.space + self.lib.gr_network_word(self.network, b"tokens", item).decode()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        self.lib.gr_stream_close(self.stream)
        self.lib.gr_network_close(self.network)


def main():
    if len(sys.argv) < 5:
        print("usage: stream.py MODEL.yaml WEIGHTS.safetensors PROMPT LENGTH [KEY=VALUE]...", file=sys.stderr)
        sys.exit(2)
    path, weights, prompt, length, *sets = sys.argv[1:]
    if not length.isascii() or not length.isdigit() or int(length) < 1:
        sys.exit(f"stream.py: LENGTH is '{length}'; write how many items are to follow the prompt, 1 or more")
    try:
        with Model(load(), path, weights, sets) as model:
            text, item, items = prompt, 0, model.encode(prompt)
            if not items:
                sys.exit("stream.py: PROMPT is empty; write what the text begins with")
            for given in items:
                item = model.read(given)
            for _ in range(int(length)):
                text += model.word(item)
                item = model.read(item)
    except RuntimeError as e:
        sys.exit(f"stream.py: {e}")
    print(text)


main()
