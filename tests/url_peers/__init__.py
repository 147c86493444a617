"""What other libraries read in URLs and connection strings, compared with what architect's datastores read."""
