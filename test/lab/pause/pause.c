/* Holds a pod's namespaces open: the first process of every pod sandbox. It adopts and reaps what the pod's containers leave behind
 * (with a shared PID namespace it is their PID 1) and leaves at once when told to. `pause -v` prints the version and exits 0:
 * `kubeadm upgrade` runs exactly that as its health check. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#ifndef VERSION
#define VERSION "unknown"
#endif

int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "-v") == 0) {
      printf("pause %s (homelab lab)\n", VERSION);
      return 0;
    }
  }

  /* Blocked signals wait for us, so none is lost between two rounds; PID 1 without a handler would not die of TERM. */
  sigset_t wanted;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGINT);
  sigaddset(&wanted, SIGTERM);
  sigaddset(&wanted, SIGCHLD);
  if (sigprocmask(SIG_BLOCK, &wanted, NULL) != 0) {
    perror("sigprocmask");
    return 1;
  }

  for (;;) {
    int got = sigwaitinfo(&wanted, NULL);
    if (got == SIGINT || got == SIGTERM) return 0;
    if (got < 0 && errno != EINTR) {
      perror("sigwaitinfo");
      return 2;
    }
    while (waitpid(-1, NULL, WNOHANG) > 0) {
    }
  }
}
