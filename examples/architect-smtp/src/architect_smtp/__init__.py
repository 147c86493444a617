"""Mail servers as services and datastores of architect."""
