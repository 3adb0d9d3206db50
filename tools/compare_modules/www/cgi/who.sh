#!/bin/sh
printf "Content-Type: text/plain\n\n"
printf "auth=$HTTP_AUTHORIZATION type=$AUTH_TYPE user=$REMOTE_USER addr=$REMOTE_ADDR told=$TOLD color=$COLOR name=$SERVER_NAME\n"
