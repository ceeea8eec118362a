# Nothing: that Linux has come so far is all.
true
