
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * mdmsim: simulated Apple devices for tests, load and measurements.
 */


#include "mdmsim.h"
#include "mdmsim_apple.h"
#include "mdmsim_cert.h"
#include "mdmsim_message.h"
#include "mdmsim_signal.h"
#include "mdmsim_way.h"

#include <errno.h>
#include <sched.h>
#include <unistd.h>


static void sim_pin(int cpu);
static int sim_cert(const sim_option_t *opt);
static int sim_ids(const sim_option_t *opt);
static void sim_message_sign(const sim_option_t *opt, const sim_device_t *d,
    sim_buf_t *body);
static int sim_message(const sim_option_t *opt);


int
main(int argc, char **argv)
{
    sim_option_t  opt;

    memset(&opt, 0, sizeof(sim_option_t));
    sim_option_parse(&opt, argc, argv);
    sim_signal_init();

    if (opt.cpu >= 0) {
        sim_pin(opt.cpu);
    }

    switch (opt.cmd) {

    case SIM_CMD_CA:
        sim_ca_create(&opt);
        return 0;

    case SIM_CMD_CERT:
        return sim_cert(&opt);

    case SIM_CMD_IDS:
        return sim_ids(&opt);

    case SIM_CMD_MESSAGE:
        return sim_message(&opt);

    case SIM_CMD_BENCH:
        return sim_bench(&opt);

    case SIM_CMD_TORTURE:
        return sim_torture(&opt);

    default:

        if (opt.way != NULL) {
            sim_way(&opt);
        }

        return sim_run(&opt);
    }
}


/* the first one ends the work with a report, the second one at once */

static void
sim_pin(int cpu)
{
    cpu_set_t  set;

    CPU_ZERO(&set);
    CPU_SET((size_t) cpu, &set);

    if (sched_setaffinity(0, sizeof(set), &set) == -1) {
        sim_die("cannot run on CPU %d: %s", cpu, strerror(errno));
    }
}


static int
sim_cert(const sim_option_t *opt)
{
    sim_ca_t  *ca;

    ca = sim_ca_load(opt);
    sim_cert_write(ca, &opt->fleet, opt->device, opt->out, opt->force);
    sim_ca_free(ca);

    return 0;
}


static int
sim_ids(const sim_option_t *opt)
{
    uint32_t      i, n, user;
    sim_user_t    u;
    sim_device_t  d;

    for (i = 0; i < opt->fleet.count && !sim_stopped(); i++) {
        sim_device(&opt->fleet, opt->fleet.first + i, &d);

        if (opt->channels & SIM_CHANNEL_DEVICE) {
            printf("%s\n", d.id);
        }

        if (!(opt->channels & SIM_CHANNEL_USER)) {
            continue;
        }

        n = sim_device_users(&opt->fleet, d.number);

        for (user = 1; user <= n; user++) {
            sim_device_user(&opt->fleet, &d, user, &u);
            printf("%s\n", u.enrollment);
        }
    }

    if (fflush(stdout) != 0) {
        sim_die("cannot write: %s", strerror(errno));
    }

    return 0;
}


/* in the body itself, or beside it */

static void
sim_message_sign(const sim_option_t *opt, const sim_device_t *d,
    sim_buf_t *body)
{
    sim_ca_t   *ca;
    sim_buf_t   text;

    memset(&text, 0, sizeof(sim_buf_t));

    if (opt->apple_cert != NULL) {
        sim_apple_sign(opt, d, body, &text);
        body->len = 0;
        sim_buf_add(body, text.data, text.len);
    }

    if (opt->signature != NULL) {
        ca = sim_ca_load(opt);
        text.len = 0;
        sim_cert_sign(ca, &opt->fleet, opt->device, opt, body, &text);
        sim_write_file(opt->signature, &text, 0644, 1);
        sim_ca_free(ca);
    }

    sim_buf_free(&text);
}


/* a body for curl, and its signature */

static int
sim_message(const sim_option_t *opt)
{
    sim_buf_t       body, text;
    const char     *what;
    sim_answer_e    answer;
    sim_plist_t     w;
    sim_device_t    d;
    sim_command_t   cmd;

    memset(&w, 0, sizeof(sim_plist_t));
    memset(&cmd, 0, sizeof(sim_command_t));
    memset(&body, 0, sizeof(sim_buf_t));
    memset(&text, 0, sizeof(sim_buf_t));

    what = opt->what == NULL ? "Idle" : opt->what;

    sim_device(&opt->fleet, opt->device, &d);

    if (opt->user > sim_device_users(&opt->fleet, opt->device)) {
        sim_die("device %u has no user %u", (unsigned) opt->device,
                (unsigned) opt->user);
    }

    sim_plist_begin(&w, &body, opt->binary);

    if (strcmp(what, "Authenticate") == 0) {
        sim_message_authenticate(&w, &opt->fleet, &d);

    } else if (strcmp(what, "TokenUpdate") == 0) {
        sim_message_token(&w, opt, &d, opt->user);

    } else if (strcmp(what, "SetBootstrapToken") == 0
               || strcmp(what, "GetBootstrapToken") == 0)
    {
        sim_message_bootstrap(&w, &opt->fleet, &d, what[0] == 'S');

    } else if (strcmp(what, "CheckOut") == 0) {
        sim_message_checkout(&w, &opt->fleet, &d, opt->user);

    } else if (strcmp(what, "DeclarativeManagement") == 0) {

        if (opt->data != NULL) {
            sim_read_file(opt->data, &text);
        }

        sim_message_ddm(&w, &opt->fleet, &d, opt->user,
                        opt->endpoint == NULL ? "tokens" : opt->endpoint,
                        opt->data == NULL ? NULL : &text);

    } else if (strcmp(what, "MachineInfo") == 0) {
        sim_apple_info(&w, opt, &d);

    } else if (strcmp(what, "Idle") == 0) {
        sim_message_idle(&w, &opt->fleet, &d, opt->user);

    } else {
        for (answer = 0; answer < SIM_ANSWERS; answer++) {
            if (strcmp(what, sim_answer_name(answer)) == 0) {
                break;
            }
        }

        if (answer == SIM_ANSWERS) {
            sim_die("unknown message \"%s\"", what);
        }

        if (opt->command == NULL) {
            sim_die("\"--command\" is needed for \"%s\"", what);
        }

        sim_read_file(opt->command, &text);

        if (sim_command_scan(text.data, text.len, &cmd) != SIM_OK) {
            sim_die("\"%s\" is not a command", opt->command);
        }

        sim_message_result(&w, opt, &d, opt->user, answer, &cmd);
    }

    sim_plist_finish(&w);

    sim_message_sign(opt, &d, &body);

    if (fwrite(body.data, 1, body.len, stdout) != body.len
        || fflush(stdout) != 0)
    {
        sim_die("cannot write: %s", strerror(errno));
    }

    sim_command_free(&cmd);
    sim_plist_free(&w);
    sim_buf_free(&body);
    sim_buf_free(&text);

    return 0;
}
