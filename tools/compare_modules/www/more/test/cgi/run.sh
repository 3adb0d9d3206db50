#!/bin/sh
printf "Content-Type: text/plain\n\nof the host: $SCRIPT_NAME $PATH_INFO\n"
