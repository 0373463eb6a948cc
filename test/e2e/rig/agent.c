/*
 * Stand-in for osqueryd: a watcher and a worker, two processes of one service, like the real one. How it behaves is
 * compiled in, so that behaviour is a property of the version alone and comes and goes with the binary:
 *   VERSION, ENVIRONMENT   text
 *   CPU_PERCENT            of one core, burnt by the worker in slices of 100 ms
 *   BURN_PERCENT           burnt on top of that from BURN_AFTER_MS after the start, for BURN_FOR_MS (-1: for ever), and
 *                          only where /etc/rollout-rig/role says BURN_ROLE (empty: everywhere)
 *   MEMORY_MIB             held and touched by the worker
 *   LEAK_KIB_PER_S         held and touched on top of that, more each second
 *   CRASH_AFTER_MS         the worker aborts so long after its start and takes the watcher along; -1: never
 *   FAIL_START             1: exits with 1 before it does anything
 *   RESULTS_EVERY_MS       how often a line is added to the results log; 0: it writes nothing
 *   DATABASE_VERSION       of the database that it makes or migrates; exits with 78 at a newer one
 *   STARVE_SSHD            1: no sshd on the host gets to run while the worker lives
 * What is the host's affair it reads there each second: /etc/rollout-rig/load, a percentage of a core that the host's
 * load costs any version.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DATABASE "/var/osquery/osquery.db"
#define RESULTS "/var/log/osquery/osqueryd.results.log"

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

/* A file's first word; empty where there is none. */
static void first_word(const char *path, char *word, size_t size) {
  char format[16];
  word[0] = 0;
  FILE *file = fopen(path, "r");
  if (!file) return;
  snprintf(format, sizeof format, "%%%zus", size - 1);
  if (fscanf(file, format, word) != 1) word[0] = 0;
  fclose(file);
}

static int number_in(const char *path) {
  char word[32];
  first_word(path, word, sizeof word);
  return atoi(word);
}

static void write_number(const char *path, int number) {
  FILE *file = fopen(path, "w");
  if (!file) return;
  fprintf(file, "%d\n", number);
  fclose(file);
}

/* As RocksDB's under the real one: kept over restarts, migrated upwards, unreadable for an older binary. */
static int open_database(void) {
  mkdir("/var/osquery", 0755);
  if (mkdir(DATABASE, 0700) == 0) fputs("osqueryd: a new database: this host enrolls anew\n", stderr);
  const int found = number_in(DATABASE "/VERSION");
  if (found > DATABASE_VERSION) {
    fprintf(stderr, "osqueryd " VERSION ": database version %d, expected %d: the migration code is broken!\n", found,
            DATABASE_VERSION);
    return 78;
  }
  if (found < DATABASE_VERSION) write_number(DATABASE "/VERSION", DATABASE_VERSION);
  return 0;
}

static void write_result(unsigned long counter) {
  FILE *file = fopen(RESULTS, "a");
  if (!file) return;
  fprintf(file, "{\"name\":\"pack_rig_processes\",\"unixTime\":%lld,\"counter\":%lu,\"action\":\"added\"}\n",
          (long long)time(0), counter);
  fclose(file);
}

static void signal_every_sshd(int number) {
  DIR *processes = opendir("/proc");
  if (!processes) return;
  for (struct dirent *entry; (entry = readdir(processes));) {
    char path[300], name[32];
    snprintf(path, sizeof path, "/proc/%s/comm", entry->d_name);
    if (entry->d_name[0] < '0' || entry->d_name[0] > '9') continue;
    first_word(path, name, sizeof name);
    if (!strcmp(name, "sshd")) kill(atoi(entry->d_name), number);
  }
  closedir(processes);
}

static int burns_here(void) {
  char role[64];
  if (BURN_PERCENT == 0 || BURN_ROLE[0] == 0) return BURN_PERCENT != 0;
  first_word("/etc/rollout-rig/role", role, sizeof role);
  return !strcmp(role, BURN_ROLE);
}

static void work(void) {
  const long long slice = 100000000LL, piece = 64 << 10;
  const long long born = nanoseconds(CLOCK_MONOTONIC);
  const int burns = burns_here();
  long long leaked = 0, results_at = 0, load_at = -1;
  unsigned long results = 0;
  int load = 0;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  char *held = malloc((size_t)MEMORY_MIB << 20);
  if (held) memset(held, 1, (size_t)MEMORY_MIB << 20);
  while (!stopping) {
    const long long began = nanoseconds(CLOCK_MONOTONIC);
    const long long age = (began - born) / 1000000;
    if (CRASH_AFTER_MS >= 0 && age >= CRASH_AFTER_MS) abort();
    if (age / 1000 != load_at) {
      load_at = age / 1000;
      load = number_in("/etc/rollout-rig/load");
    }
    for (; leaked + piece <= age * LEAK_KIB_PER_S * 1024 / 1000; leaked += piece) {
      char *more = malloc((size_t)piece);
      if (more) memset(more, 1, (size_t)piece);
    }
    if (RESULTS_EVERY_MS > 0 && age >= results_at) {
      write_result(results++);
      results_at = age + RESULTS_EVERY_MS;
    }
    if (STARVE_SSHD) signal_every_sshd(SIGSTOP);
    const int burning = burns && age >= BURN_AFTER_MS && (BURN_FOR_MS < 0 || age < BURN_AFTER_MS + BURN_FOR_MS);
    const double wanted = CPU_PERCENT + load + (burning ? BURN_PERCENT : 0);
    const double percent = wanted > 100 ? 100 : wanted;
    const long long until = nanoseconds(CLOCK_THREAD_CPUTIME_ID) + (long long)(slice * percent / 100);
    while (!stopping && nanoseconds(CLOCK_THREAD_CPUTIME_ID) < until)
      for (volatile int turn = 0; turn < 10000; turn++)
        ;
    const long long left = began + slice - nanoseconds(CLOCK_MONOTONIC);
    if (left > 0) {
      struct timespec rest = {0, left};
      nanosleep(&rest, 0);
    }
  }
  if (STARVE_SSHD) signal_every_sshd(SIGCONT);
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
  const int refused = open_database();
  if (refused) return refused;
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
