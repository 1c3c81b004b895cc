"""What the tests on lab hosts share."""
