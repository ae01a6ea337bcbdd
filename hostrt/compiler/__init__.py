"""Compilers: from models to programs, by the open instruction set or by the vendor's service."""
