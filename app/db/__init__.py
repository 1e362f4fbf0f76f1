"""The database: connections, named SQL, retries, the embedded server and the migrations."""
