mod parts;
mod server;
