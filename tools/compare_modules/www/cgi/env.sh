#!/bin/sh
printf "Content-Type: text/plain\nX-Script: 1\nSet-Cookie: a=1\n\n"
printf "%s\n" "script=$SCRIPT_NAME info=$PATH_INFO query=$QUERY_STRING user=$REMOTE_USER env=$COLOR,$OTHER,$REDIRECT_STATUS,$REDIRECT_URL,$HTTP_X_A"
