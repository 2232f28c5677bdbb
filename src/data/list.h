/* list.h - X(name) for every data source gr_source_<name>, one a line, as `graphrun ops` lists them. */
X(inline)
X(npy)
X(char_text)
X(word_text)
X(lines)
X(labelled_text)
X(text_pairs)
X(task)
