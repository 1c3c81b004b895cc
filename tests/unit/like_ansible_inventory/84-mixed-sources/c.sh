#!/bin/sh
echo '{"_meta": {"hostvars": {"w1": {"v": "c"}}}, "web": {"vars": {"g": "c", "h": "c"}}}'
