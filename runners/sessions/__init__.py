"""Sessions: streams of chunks with live controls, which can be saved and resumed."""
