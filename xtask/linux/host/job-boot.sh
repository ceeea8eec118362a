# Nothing: that the host has come so far is all.
true
