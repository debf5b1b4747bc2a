"""The commands of the command line, one module a kind. Imports no torch before a command needs it."""
