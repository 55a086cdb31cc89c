# Watches the processes that begin after it in a sandbox that has nothing else to do: ends them when
# together they use too much, and when it is told to. Run by bash; says one line a happening:
#   ready                      what begins from now on is watched
#   limit WHAT                 they were ended: memory, cpu or processes
#   used KIBIBYTES TICKS       the most memory at a look, the processor time; then it ends
# Arguments: memory in KiB, processor time in clock ticks, processes and threads, seconds between looks.
memory=$1 cpu=$2 tasks=$3 pause=$4
declare -A before
for directory in /proc/[0-9]*; do before[${directory#/proc/}]=1; done
before[$$]=1 before[$BASHPID]=1
page=$(getconf PAGESIZE 2>/dev/null || echo 4096)
peak=0 ticks=0
echo ready

look() {
    local directory pid line used=0 count=0
    local -a field
    living=()
    for directory in /proc/[0-9]*; do
        pid=${directory#/proc/}
        [[ ${before[$pid]} ]] && continue
        read -r line < "$directory/stat" || continue
        # The name, which may hold anything, ends with the last parenthesis. Then come the state, and 11
        # to 14 user and system time, own and of children waited for, 17 threads, 21 resident pages.
        field=(${line##*) })
        [[ ${field[0]} == Z ]] && continue
        living+=("$pid")
        spent[$pid]=$((field[11] + field[12] + field[13] + field[14]))
        used=$((used + field[21] * page / 1024))
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

# The same with what they share counted once, where it can be told.
share() {
    local pid name value unit sum=0
    for pid in "${living[@]}"; do
        while read -r name value unit; do
            [[ $name == Pss: ]] && sum=$((sum + value))
        done < "/proc/$pid/smaps_rollup"
    done 2>/dev/null
    ((sum > 0)) && used=$sum
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

declare -A spent
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
