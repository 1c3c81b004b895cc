#!/bin/sh
if [ "$1" = --list ]; then
  echo '{"web": {"hosts": ["w1", "w2"], "vars": {"c": "dynamic"}}, "cloud": {"hosts": ["w2"]}}'
else
  echo "{\"a\": \"dynamic $2\"}"
fi
