/*
 * The floor: what the kernel itself takes to make one macvlan, down, in the namespace of its parent. One request is
 * one send and the receive of its ACK. Prints one duration in microseconds a line.
 *
 *   newlink PARENT COUNT
 */
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct message {
  struct nlmsghdr header;
  struct ifinfomsg link;
  char attributes[256];
};

static struct rtattr *put(struct message *m, int type, const void *value, int length) {
  struct rtattr *attribute = (struct rtattr *)((char *)m + NLMSG_ALIGN(m->header.nlmsg_len));
  attribute->rta_type = type;
  attribute->rta_len = RTA_LENGTH(length);
  if (length > 0) memcpy(RTA_DATA(attribute), value, length);
  m->header.nlmsg_len = NLMSG_ALIGN(m->header.nlmsg_len) + RTA_ALIGN(attribute->rta_len);
  return attribute;
}

static void end(struct message *m, struct rtattr *nest) {
  nest->rta_len = (char *)m + m->header.nlmsg_len - (char *)nest;
}

static int talk(int fd, struct message *m) {
  char reply[4096];
  if (send(fd, m, m->header.nlmsg_len, 0) < 0 || recv(fd, reply, sizeof reply, 0) < 0) return -1;
  return ((struct nlmsgerr *)NLMSG_DATA(reply))->error;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  unsigned parent = if_nametoindex(argv[1]);
  int count = atoi(argv[2]);
  int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
  __u32 mode = MACVLAN_MODE_BRIDGE;
  for (int i = 0; i < count; i++) {
    char name[IFNAMSIZ];
    int length = snprintf(name, sizeof name, "floor%d", i) + 1;
    struct message m = {.header = {.nlmsg_len = NLMSG_LENGTH(sizeof m.link),
                                   .nlmsg_type = RTM_NEWLINK,
                                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL}};
    put(&m, IFLA_IFNAME, name, length);
    put(&m, IFLA_LINK, &parent, sizeof parent);
    struct rtattr *info = put(&m, IFLA_LINKINFO, NULL, 0);
    put(&m, IFLA_INFO_KIND, "macvlan", 7);
    struct rtattr *data = put(&m, IFLA_INFO_DATA, NULL, 0);
    put(&m, IFLA_MACVLAN_MODE, &mode, sizeof mode);
    end(&m, data);
    end(&m, info);
    struct timespec start, stop;
    clock_gettime(CLOCK_MONOTONIC, &start);
    int error = talk(fd, &m);
    clock_gettime(CLOCK_MONOTONIC, &stop);
    if (error != 0) return fprintf(stderr, "newlink: %s\n", strerror(-error)), 1;
    printf("%.1f\n", (stop.tv_sec - start.tv_sec) * 1e6 + (stop.tv_nsec - start.tv_nsec) / 1e3);
    usleep(2000);
  }
  return 0;
}
