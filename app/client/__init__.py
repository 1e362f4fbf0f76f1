"""The service as a command asks it: here, on the local database, or elsewhere, over HTTP."""
