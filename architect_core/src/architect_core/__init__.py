"""The core of architect: configuration schemas, the resolver, and the contract that protocol plugins fulfil.

Applications import the facade, `architect.sdk`. Plugins import the modules of this package.
"""
