//! What stands in `conf/`: every file compiles, every broken one fails as recorded.

mod conf;
