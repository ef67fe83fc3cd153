//! The C interface. `include/elanus.h` is generated from these files.
