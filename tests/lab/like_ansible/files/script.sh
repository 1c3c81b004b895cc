#!/bin/sh
printf '%s\n' "$@" > /srv/from-script
