# Becomes a program: its own copy of the files, its limits, its environment, its streams. Run by bash.
# Arguments: directory with the files, directory to run in, descriptors or `-`, processor seconds,
# KiB of a file, KiB of data, open files, processes, then the command.
files=$1 home=$2 private=$3
ulimit -c 0 -t "$4" -f "$5" -d "$6" -n "$7"
ulimit -u "$8" 2>/dev/null
shift 8
cp -R "$files" "$home" && cd "$home" || exit 127
if [[ $private != - ]]; then exec 3< "$private.in" 4> "$private.out"; fi
exec env -i PATH="$PATH" HOME="$home" TMPDIR="$home" LANG=C.UTF-8 "$@" < "$home.in"
