raise ImportError("architect_core.testing is now architect_testing: pip install architect-testing")
