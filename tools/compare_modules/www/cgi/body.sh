#!/bin/sh
printf "Content-Type: text/plain\n\n"
printf "length=$CONTENT_LENGTH type=$CONTENT_TYPE encoding=$HTTP_CONTENT_ENCODING coded=$HTTP_TRANSFER_ENCODING "
cat
