# The settings of the examples, and create_job, which posts a job until the service has answered.

JOBS_URL=${JOBS_URL:-http://127.0.0.1:3000}
TARGET_URL=${TARGET_URL:-$JOBS_URL/echo}

if [[ -z ${JOBS_TOKEN:-} ]]; then
  echo 'JOBS_TOKEN is not set. For the local stack: export JOBS_TOKEN=$(npm run --silent token -- --app UUID)' >&2
  exit 1
fi

# Posts the job from standard input, and prints it. Fails with the API's error.
create_job() {
  local job answer failure status pause
  job=$(cat)
  for pause in 1 2 4 ''; do
    failure=0
    answer=$(curl --silent --show-error --fail-with-body --max-time 30 --write-out '\n%{http_code}' \
      --header "Authorization: Bearer $JOBS_TOKEN" --header 'Content-Type: application/json' \
      --data-binary "$job" "$JOBS_URL/v1/jobs/create") || failure=$?
    # The last line comes from --write-out.
    status=${answer##*$'\n'}
    answer=${answer%$'\n'*}
    if ((failure == 0)); then
      print_job "$answer"
      return
    fi
    # Exit code 22: the API has refused. Without an answer, or after a 503, the job may have been accepted or not,
    # so post it again with the same idempotency key.
    if [[ ($failure == 22 && $status != 503) || -z $pause ]]; then
      if [[ -n $answer ]]; then echo "$answer" >&2; fi
      return 1
    fi
    sleep "$pause"
  done
}

# Prints an answer's job as one line of JSON.
print_job() {
  local next
  next=$(field nextRunAt "$1")
  if [[ -n $next ]]; then next=",\"nextRunAt\":\"$next\""; fi
  printf '{"id":"%s","executionType":"%s","status":"%s"%s}\n' \
    "$(field id "$1")" "$(field executionType "$1")" "$(field status "$1")" "$next"
}

# The first string of that name in a JSON text, for machines without jq.
field() {
  local pattern="\"$1\":\"([^\"]*)\""
  if [[ $2 =~ $pattern ]]; then printf '%s' "${BASH_REMATCH[1]}"; fi
}

# The time $1 days from now for at(...): in UTC, without the Z.
days_ahead() {
  local format=+%Y-%m-%dT%H:%M:%S
  # GNU's date, or BSD's (macOS).
  date -u -d "+$1 days" "$format" 2>/dev/null || date -u -v "+$1d" "$format"
}
