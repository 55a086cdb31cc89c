# Becomes a judge: its limits, its environment, its channel. Run by bash, as root, in the judge's directory;
# the file of its order has that name and `.order`. Says `ready` when a program can open the channel; all
# that follows is the judge's report.
# Arguments: a directory to be made for the channel, processor seconds, KiB of a file, KiB of data, open
# files, then the command.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
channel=$1
# No program ends it by using up the memory.
{ echo -1000 > /proc/self/oom_score_adj; } 2>/dev/null
ulimit -c 0 -t "$2" -f "$3" -d "$4" -n "$5"
shift 5
# Not removed, renamed or listed by others; each is read by one side and written by the other.
mkdir -m 711 "$channel" && mkfifo -m 644 "$channel/down" && mkfifo -m 622 "$channel/up" || exit
echo ready
# Both sides open them in this order, and wait for each other: each then has one end of each, and sees that
# the other is gone.
exec 3< "$PWD.order" 4>&1 1> "$channel/down" 0< "$channel/up"
rm -rf "$channel"
exec env -i PATH="${1%/*}:/usr/local/bin:/usr/bin:/bin" HOME="$PWD" TMPDIR="$PWD" LANG=C.UTF-8 "$@"
