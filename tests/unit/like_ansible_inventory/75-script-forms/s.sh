#!/bin/sh
cat <<'END'
{"_meta": {"hostvars": {"s1": {"a": 1, "t": "{{ a }}", "n": null, "l": [1, {"x": "y"}], "f": 1.5, "b": true}, "notlisted": {"a": 2}}},
 "web": {"hosts": ["s1", "s2"], "vars": {"w": "é"}, "children": ["sub"]},
 "sub": ["s3"],
 "empty": {"hosts": []},
 "onlyvars": {"vars": {"o": 1}},
 "all": {"vars": {"v": "all"}, "children": ["web", "ungrouped"]},
 "ungrouped": {"hosts": ["s4"]},
 "later": {"children": ["web", "undefined_child"]}}
END
