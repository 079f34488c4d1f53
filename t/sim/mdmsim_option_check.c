
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The command line as a whole: what is missing, and what excludes what.
 */


#include "mdmsim_option.h"

#include <ctype.h>


static int sim_token(const char *s);
static void sim_option_check_run(sim_option_t *opt);
static void sim_option_check_identity(const sim_option_t *opt);


/* the name of a header: a token of HTTP */

static int
sim_token(const char *s)
{
    for ( /* void */ ; *s != '\0'; s++) {
        if (!isalnum((unsigned char) *s) && *s != '-' && *s != '_') {
            return 0;
        }
    }

    return 1;
}


void
sim_option_check(sim_option_t *opt)
{
    char         uuid[40];
    uint64_t     last;
    const char  *p;

    if (opt->fleet.topic[0] == '\0') {
        sim_uuid(opt->fleet.seed ^ 11000, uuid);
        for (p = uuid; *p != '\0'; p++) {
            uuid[p - uuid] = (char) tolower((unsigned char) *p);
        }
        snprintf(opt->fleet.topic, sizeof(opt->fleet.topic),
                 "com.apple.mgmt.External.%s", uuid);
    }

    if (opt->fleet.count == 0) {
        sim_die("\"--count\" must not be 0");
    }

    last = (uint64_t) opt->fleet.first + opt->fleet.count;
    if (last > SIM_MAX_DEVICES) {
        sim_die("device numbers end at %d", SIM_MAX_DEVICES - 1);
    }

    if (opt->channels == 0) {
        opt->channels = SIM_CHANNEL_DEVICE
                        | (opt->fleet.users != 0 ? SIM_CHANNEL_USER : 0);
    }

    if ((opt->cmd & (SIM_CMD_CERT|SIM_CMD_MESSAGE)) != 0) {
        opt->fleet.first = opt->device;
        opt->fleet.count = 1;
    }

    if (opt->notnow + opt->error + opt->format_error > 100) {
        sim_die("\"--notnow\", \"--error\" and \"--format-error\" are more"
                " than 100 percent together");
    }

    if (opt->rate > 0 && opt->interval != 0) {
        sim_die("\"--rate\" and \"--interval\" exclude each other");
    }

    if (opt->wake != NULL && (opt->rate > 0 || opt->interval != 0)) {
        sim_die("\"--wake\" says when devices come, as \"--rate\" and"
                " \"--interval\" do");
    }

    if (opt->header_cert != NULL && !sim_token(opt->header_cert)) {
        sim_die("bad name of a header \"%s\"", opt->header_cert);
    }

    if (opt->server_name != NULL) {
        for (p = opt->server_name; *p != '\0'; p++) {
            if (!isalnum((unsigned char) *p) && strchr("-.*", *p) == NULL) {
                sim_die("bad name \"%s\"", opt->server_name);
            }
        }
    }

    if (opt->cmd == SIM_CMD_CERT && opt->out == NULL) {
        sim_die("\"--out\" is needed");
    }

    sim_option_check_run(opt);

    if (opt->cmd == SIM_CMD_DDM) {

        if (opt->check && opt->api_url == NULL) {
            sim_die("\"--api-url\" is needed for \"--check\"");
        }

        /* the rest is as in "run" */

        opt->cmd = SIM_CMD_RUN;
        opt->ddm = 1;
    }

    sim_option_check_identity(opt);
}


/* what speaks to a server, and for how long */

static void
sim_option_check_run(sim_option_t *opt)
{
    if ((opt->cmd & SIM_NET) != 0) {

        if (opt->nurls == 0) {
            sim_die("\"--url\" is needed");
        }

        if (opt->nurls > 1 && opt->cmd != SIM_CMD_BENCH) {
            sim_die("only \"bench\" takes more than one \"--url\"");
        }

        if (opt->connections == 0) {
            sim_die("\"--connections\" must not be 0");
        }

        if (opt->timeout == 0) {
            sim_die("\"--timeout\" must not be 0");
        }
    }

    if ((opt->cmd & SIM_RUN) != 0 && opt->duration == 0
        && opt->requests == 0)
    {
        opt->duration = 60 * SIM_SEC;
    }

    if (opt->cmd == SIM_CMD_BENCH && opt->duration == 0) {
        opt->duration = 30 * SIM_SEC;
    }

    if (opt->cmd == SIM_CMD_TORTURE) {

        if (opt->api_url == NULL) {
            sim_die("\"--api-url\" is needed");
        }

        if (opt->group == 0 || opt->depth == 0 || opt->api_connections == 0
            || opt->asleep == 0)
        {
            sim_die("\"--group\", \"--depth\", \"--api-connections\" and"
                    " \"--asleep\" must not be 0");
        }

        if (opt->churn >= opt->fleet.count) {
            sim_die("\"--churn\" must be less than \"--count\"");
        }
    }
}


static void
sim_option_check_identity(const sim_option_t *opt)
{
    int       need;
    uint32_t  i;

    if ((opt->ca_cert == NULL) != (opt->ca_key == NULL)) {
        sim_die("\"--ca-cert\" and \"--ca-key\" come together");
    }

    need = opt->cmd == SIM_CMD_CERT || opt->sign || opt->header_cert != NULL
           || opt->signature != NULL;

    for (i = 0; i < opt->nurls; i++) {
        need |= strncmp(opt->urls[i], "https:", 6) == 0;
    }

    if (opt->checkin_url != NULL) {
        need |= strncmp(opt->checkin_url, "https:", 6) == 0;
    }

    if (opt->cmd == SIM_CMD_CA ? opt->dir == NULL
                               : need && opt->dir == NULL
                                 && opt->ca_cert == NULL)
    {
        sim_die("\"--dir\"%s is needed",
                opt->cmd == SIM_CMD_CA ? "" : ", or \"--ca-cert\" and"
                                              " \"--ca-key\",");
    }
}
