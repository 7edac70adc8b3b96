"""What embeddings are good for beside search, one module a verb: they read a library or a space and
change neither."""
