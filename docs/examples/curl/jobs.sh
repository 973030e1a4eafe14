# What the examples share: settings, and create_job, which posts a job until the service has answered.

JOBS_URL=${JOBS_URL:-http://127.0.0.1:3000}
TARGET_URL=${TARGET_URL:-$JOBS_URL/echo}

if [[ -z ${JOBS_TOKEN:-} ]]; then
  echo 'JOBS_TOKEN is not set. For the local stack: export JOBS_TOKEN=$(npm run --silent token -- --app UUID)' >&2
  exit 1
fi

# Posts the job that comes on standard input, and prints what became of it. Fails with the API's error.
create_job() {
  local job answer failure status pause
  job=$(cat)
  for pause in 1 2 4 ''; do
    failure=0
    answer=$(curl --silent --show-error --fail-with-body --max-time 30 --write-out '\n%{http_code}' \
      --header "Authorization: Bearer $JOBS_TOKEN" --header 'Content-Type: application/json' \
      --data-binary "$job" "$JOBS_URL/v1/jobs/create") || failure=$?
    # The last line is --write-out's.
    status=${answer##*$'\n'}
    answer=${answer%$'\n'*}
    if ((failure == 0)); then
      print_job "$answer"
      return
    fi
    # 22: an answer came, and refuses. Without one, or with a 503, it is unknown whether the job was
    # accepted: post it again with the same idempotency key.
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

# The first text of that name in a JSON text: jq would do better, but not everybody has it.
field() {
  local pattern="\"$1\":\"([^\"]*)\""
  if [[ $2 =~ $pattern ]]; then printf '%s' "${BASH_REMATCH[1]}"; fi
}

# The time so many days ahead, in UTC and without saying so, as at(...) wants it.
days_ahead() {
  local format=+%Y-%m-%dT%H:%M:%S
  # GNU's date, or BSD's (macOS).
  date -u -d "+$1 days" "$format" 2>/dev/null || date -u -v "+$1d" "$format"
}
