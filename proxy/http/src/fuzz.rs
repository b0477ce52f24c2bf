//! Bodies of the fuzz targets: each takes arbitrary bytes and panics when a promise is broken.
