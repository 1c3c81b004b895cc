#!/bin/sh
rm /srv/from-script
