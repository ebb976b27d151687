# What takes the wishes of a test in a guest: PID 1, or a service of the systemd that is. They come over the serial line, one
# line a wish,
#   run ID SECONDS     runs ID.sh of the shared folder to its end; what it prints goes to ID.out and ID.err
#   start ID NAME      starts ID.sh and goes on; what it prints goes to the console, each line after `NAME: `
#   signal ID SIGNAL   signals what was started
#   off                ends what was started, last first, as a service manager would, and powers off
# and are answered by `lab started ID`, `lab ended ID CODE`.
declare -a services=()
exec 3<>/dev/ttyS0
stty raw -echo <&3

run() {
  code=0
  timeout --kill-after=2 "$2" bash -eu "/lab/$1.sh" >"/lab/$1.out" 2>"/lab/$1.err" </dev/null 3>&- || code=$?
  # What a process that goes on still holds open is not on the other side yet.
  sync "/lab/$1.out" "/lab/$1.err"
  echo "lab ended $1 $code" >&3
}
start() {
  code=0
  bash -eu "/lab/$1.sh" > >(exec sed -u "s/^/$2: /" >/dev/console 3>&-) 2>&1 </dev/null 3>&- &
  echo $! >"/run/lab-$1.pid"
  echo "lab started $1" >&3
  wait $! || code=$?
  : >"/run/lab-$1.pid"
  echo "lab ended $1 $code" >&3
}
# Of what was started, as long as it goes on.
send() {
  local pid
  pid=$(<"/run/lab-$1.pid")
  [ -n "$pid" ] && kill -s "$2" "$pid"
}
off() {
  for ((i = ${#services[@]} - 2; i >= 0; i -= 2)); do
    send "${services[i]}" TERM && wait "${services[i + 1]}"
  done
  if [ -d /run/systemd/system ]; then exec systemctl poweroff; fi
  sync
  echo u >/proc/sysrq-trigger
  exec busybox poweroff -f
}

if [ -d /run/systemd/system ]; then systemctl is-system-running --wait; fi
echo 'lab ready' >&3
while read -r verb id more <&3; do
  case $verb in
    run) run "$id" "$more" & ;;
    start) start "$id" "$more" & services+=("$id" $!) ;;
    signal) send "$id" "$more" ;;
    off) off ;;
  esac
done
