/*
 * Stand-in for osqueryd: a watcher and a worker, two processes of one service, like the real one. How it behaves is
 * compiled in, so that behaviour is a property of the version alone and comes and goes with the binary:
 *   VERSION, ENVIRONMENT   text
 *   CPU_PERCENT            of one core, burnt by the worker in slices of 100 ms
 *   MEMORY_MIB             held and touched by the worker
 *   CRASH_AFTER_MS         the worker aborts so long after its start and takes the watcher along; -1: never
 *   FAIL_START             1: exits with 1 before it does anything
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t stopping;

static void on_signal(int number) {
  (void)number;
  stopping = 1;
}

static long long nanoseconds(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void work(void) {
  const long long slice = 100000000LL;
  const long long born = nanoseconds(CLOCK_MONOTONIC);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  char *held = malloc((size_t)MEMORY_MIB << 20);
  if (held) memset(held, 1, (size_t)MEMORY_MIB << 20);
  while (!stopping) {
    const long long began = nanoseconds(CLOCK_MONOTONIC);
    if (CRASH_AFTER_MS >= 0 && began - born >= CRASH_AFTER_MS * 1000000LL) abort();
    const long long until = nanoseconds(CLOCK_THREAD_CPUTIME_ID) + slice * CPU_PERCENT / 100;
    while (!stopping && nanoseconds(CLOCK_THREAD_CPUTIME_ID) < until)
      for (volatile int turn = 0; turn < 10000; turn++)
        ;
    const long long left = began + slice - nanoseconds(CLOCK_MONOTONIC);
    if (left > 0) {
      struct timespec rest = {0, left};
      nanosleep(&rest, 0);
    }
  }
  _exit(0);
}

int main(int count, char **arguments) {
  if (count > 1 && !strcmp(arguments[1], "--version")) {
    puts("osqueryd version " VERSION);
    return 0;
  }
  if (FAIL_START) {
    fputs("osqueryd " VERSION ": cannot start\n", stderr);
    return 1;
  }
  struct sigaction action = {0};
  action.sa_handler = on_signal;
  sigaction(SIGTERM, &action, 0);
  sigaction(SIGINT, &action, 0);
  fprintf(stderr, "osqueryd " VERSION " for " ENVIRONMENT " started\n");
  const pid_t worker = fork();
  if (worker < 0) return 1;
  if (worker == 0) work();
  int status = 0;
  while (waitpid(worker, &status, 0) < 0 && !stopping)
    ;
  if (stopping) {
    kill(worker, SIGTERM);
    waitpid(worker, &status, 0);
    return 0;
  }
  if (WIFSIGNALED(status)) abort();
  return 1;
}
