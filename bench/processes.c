/*
 * Times whole processes: reads calls from stdin, one a line, and prints how long each took and how long it had a CPU,
 * in microseconds.
 *
 *     LABEL <tab> PROGRAM <tab> FILE-FOR-STDIN <tab> NAME=VALUE <tab> ARGUMENT ...
 *
 * Words with an equals sign are the environment, others arguments.
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

int main(void) {
  char *line = NULL;
  size_t room = 0;
  while (getline(&line, &room, stdin) > 0) {
    line[strcspn(line, "\n")] = 0;
    char *words[MOST_WORDS + 1] = {0};
    int count = 0;
    for (char *rest = line; rest && count < MOST_WORDS; count++) words[count] = strsep(&rest, "\t");
    if (count < 3) fail("a call has a label, a program and a file");

    int said = memfd_create("said", MFD_CLOEXEC);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, words[2], O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, said, 1);
    posix_spawn_file_actions_adddup2(&files, said, 2);
    char *argv[MOST_WORDS + 1] = {words[1]}, *env[MOST_WORDS + 1] = {0};
    int arguments = 1, variables = 0;
    for (int i = 3; i < count; i++)
      if (strchr(words[i], '=')) env[variables++] = words[i];
      else argv[arguments++] = words[i];
    pid_t child;
    int status;
    double start = microseconds();
    if (posix_spawn(&child, words[1], &files, NULL, argv, env) != 0) fail(words[1]);
    struct rusage used;
    wait4(child, &status, 0, &used);
    double took = microseconds() - start;
    if (status != 0) {
      fprintf(stderr, "%s: status %d\n", words[0], status);
      tell(said);
      return 1;
    }
    printf("%s\t%.1f\t%.1f\n", words[0], took, cpu(&used.ru_utime) + cpu(&used.ru_stime));
    fflush(stdout);
    close(said);
    posix_spawn_file_actions_destroy(&files);
  }
  return 0;
}
