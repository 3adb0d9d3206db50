#!/bin/sh
printf "Content-Type: text/plain\n\n"
for _ in 1 2 3 4 5 6 7 8 9 10  # a program has its limits soon after its start
do
    [ "$(ulimit -St)" != unlimited ] && break
    sleep 0.2
done
echo "time $(ulimit -St) $(ulimit -Ht) memory $(ulimit -Sv) $(ulimit -Hv)"
