# Watches the processes that begin after it in a sandbox that has nothing else to do: ends them when
# together they use too much, and when it is told to. Run by bash; says one line a happening:
#   missing                    the interpreter is not here; then it ends
#   ready                      what begins from now on is watched
#   limit WHAT                 they were ended: memory, cpu or processes
#   used KIBIBYTES TICKS       the most memory at a look, the processor time; then it ends
# Arguments: memory in KiB, processor time in clock ticks, processes and threads, seconds between looks,
# the interpreter, which may be empty.
# What others may have put first on the path is not for root.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
memory=$1 cpu=$2 tasks=$3 pause=$4
if [[ $5 ]] && ! PATH=/usr/local/bin:$PATH:$HOME/.local/bin command -v -- "$5" >/dev/null; then
    echo missing
    exit
fi
page=4
peak=0 ticks=0
declare -A before spent

# A process is its number and the time it began at, field 19 from the state on.
for directory in /proc/[0-9]*; do
    read -r line < "$directory/stat" || continue
    field=(${line##*) })
    before[${directory#/proc/}]=${field[19]}
done 2>/dev/null
before[$$]=self

look() {
    local directory pid line used=0 count=0 thread pages
    local -a field
    living=()
    for directory in /proc/[0-9]*; do
        pid=${directory#/proc/}
        read -r line < "$directory/stat" || continue
        # The name, which may hold anything, ends with the last parenthesis. Then come the state, and 11
        # to 14 user and system time, own and of children waited for, 17 threads, 21 resident pages.
        field=(${line##*) })
        [[ ${before[$pid]} == self || ${before[$pid]} == "${field[19]}" ]] && continue
        pages=${field[21]}
        if [[ ${field[0]} == Z ]]; then
            # Its first thread has ended. Others show what it has.
            ((field[17] > 1)) || continue
            for thread in "$directory"/task/*; do
                read -r line < "$thread/stat" || continue
                line=(${line##*) })
                [[ ${line[0]} == Z ]] || { pages=${line[21]}; break; }
            done
        fi
        living+=("$pid")
        spent[$pid]=$((field[11] + field[12] + field[13] + field[14]))
        used=$((used + pages * page))
        count=$((count + field[17]))
    done 2>/dev/null
    ticks=0
    for pid in "${!spent[@]}"; do ticks=$((ticks + spent[$pid])); done
    # What processes share was counted for each of them.
    ((used > memory)) && share
    ((used > peak)) && peak=$used
    excess=
    if ((count > tasks)); then excess=processes
    elif ((used > memory)); then excess=memory
    elif ((ticks > cpu)); then excess=cpu
    fi
}

# The same with what they share counted once, where it can be told of all of them.
share() {
    local pid thread name value unit sum=0 one
    for pid in "${living[@]}"; do
        one=
        for thread in "/proc/$pid"/task/*; do
            while read -r name value unit; do
                [[ $name == Pss: ]] && one=$value
            done < "$thread/smaps_rollup"
            [[ $one ]] && break
        done 2>/dev/null
        # Gone meanwhile, or not to be told.
        [[ $one ]] || { [[ -d /proc/$pid ]] && return; one=0; }
        sum=$((sum + one))
    done
    used=$sum
}

end() {
    local tries
    for tries in {1..200}; do
        look
        ((${#living[@]})) || return
        kill -STOP "${living[@]}" 2>/dev/null
        kill -KILL "${living[@]}" 2>/dev/null
    done
}

echo ready
while :; do
    look
    if [[ $excess && ! $ended_by ]]; then
        ended_by=$excess
        echo "limit $excess"
        end
    fi
    # A line, or the end of input, asks for the end; without either this is the pause.
    read -r -t "$pause" _
    (($? > 128)) || break
done
end
echo "used $peak $ticks"
