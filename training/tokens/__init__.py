"""Files of tokens: the codec tokens and styles of a corpus, computed once, in an Arrow file."""
