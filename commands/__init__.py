"""The command line, one file a group of verbs; `app.py` puts them together.

Importing these modules is cheap: each verb loads what it needs when it is called.
"""
