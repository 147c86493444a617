"""Credentials of PostgreSQL, MySQL, MariaDB, Redis, SQLite and any other datastore, for any driver."""
