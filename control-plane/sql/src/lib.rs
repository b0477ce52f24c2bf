//! One Db over SQLite and PostgreSQL.
