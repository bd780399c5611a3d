"""Declarations as code: YAML becomes frozen values, or one error that names every fault."""
