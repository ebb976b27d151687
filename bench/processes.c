/*
 * Times whole processes: reads calls from stdin, one a line, and prints how long each took and how long it had a CPU,
 * in microseconds, and how much memory it had at most, in KiB.
 *
 *     LABEL <tab> PROGRAM <tab> FILE-FOR-STDIN <tab> NAME=VALUE <tab> ARGUMENT ...
 *
 * Words with an equals sign are the environment, others arguments. Calls whose label begins with & run side by side with
 * the next one, and all of them are one measurement: from the first start to the last end, CPU of all, memory of the largest.
 * The clock runs from posix_spawn to waitpid. A call that fails ends all, with what it said.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST_WORDS 64
#define MOST_CALLS 64

struct call {
  char *line;
  char *label;
  int said;
  pid_t pid;
};

static double microseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1e6 + now.tv_nsec / 1e3;
}

static double cpu(const struct timeval *time) {
  return time->tv_sec * 1e6 + time->tv_usec;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void tell(int fd) {
  char text[4096];
  ssize_t length = pread(fd, text, sizeof text, 0);
  if (length > 0) fwrite(text, 1, length, stderr);
}

static void start(struct call *call) {
  char *words[MOST_WORDS + 1] = {0};
  int count = 0;
  for (char *rest = call->line; rest && count < MOST_WORDS; count++) words[count] = strsep(&rest, "\t");
  if (count < 3) fail("a call has a label, a program and a file");
  call->label = words[0];
  call->said = memfd_create("said", MFD_CLOEXEC);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, words[2], O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, call->said, 1);
  posix_spawn_file_actions_adddup2(&files, call->said, 2);
  char *argv[MOST_WORDS + 1] = {words[1]}, *env[MOST_WORDS + 1] = {0};
  int arguments = 1, variables = 0;
  for (int i = 3; i < count; i++)
    if (strchr(words[i], '=')) env[variables++] = words[i];
    else argv[arguments++] = words[i];
  if (posix_spawn(&call->pid, words[1], &files, NULL, argv, env) != 0) fail(words[1]);
  posix_spawn_file_actions_destroy(&files);
}

static void run(struct call *calls, int count) {
  double cpus = 0;
  long largest = 0;
  double began = microseconds();
  for (int i = 0; i < count; i++) start(&calls[i]);
  for (int i = 0; i < count; i++) {
    struct rusage used;
    int status;
    wait4(calls[i].pid, &status, 0, &used);
    if (status != 0) {
      fprintf(stderr, "%s: status %d\n", calls[i].label, status);
      tell(calls[i].said);
      exit(1);
    }
    cpus += cpu(&used.ru_utime) + cpu(&used.ru_stime);
    if (used.ru_maxrss > largest) largest = used.ru_maxrss;
  }
  printf("%s\t%.1f\t%.1f\t%ld\n", calls[count - 1].label, microseconds() - began, cpus, largest);
  fflush(stdout);
  for (int i = 0; i < count; i++) {
    close(calls[i].said);
    free(calls[i].line);
  }
}

int main(void) {
  struct call calls[MOST_CALLS] = {0};
  int count = 0;
  char *line = NULL;
  size_t room = 0;
  while (getline(&line, &room, stdin) > 0) {
    line[strcspn(line, "\n")] = 0;
    if (count == MOST_CALLS) fail("too many calls side by side");
    calls[count++].line = strdup(line);
    if (line[0] == '&') continue;
    run(calls, count);
    count = 0;
  }
  return 0;
}
