"""Exports of a configuration in the forms that the sources read, one module for each; a source imports its own."""
