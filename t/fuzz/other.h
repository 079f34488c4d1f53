
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What fuzz_reply.c runs that is neither of a device nor of the API: the access
 * check, enrolling, jobs, gauges, and deliveries to webhooks.
 */


#ifndef _FUZZ_OTHER_H_INCLUDED_
#define _FUZZ_OTHER_H_INCLUDED_


static void
fuzz_other(fuzz_t *f, mdm_exchange_t *x)
{
    mdm_hook_t        *hook;
    mdm_job_look_t    *look;
    mdm_gauges_get_t  *gauges;

    static mdm_str_t  kinds[2] = { mdm_string("push"), mdm_string("gauges") };

    static mdm_job_held_t  held[2] = {
        { mdm_string("rollout default"), 15 },
        { mdm_string("rollout other"), 15 }
    };

    x->kind = MDM_KIND_JOB;

    switch (fuzz_next(f, 8)) {

    case 7:
        gauges = mdm_arena_zalloc(x->arena, sizeof(mdm_gauges_get_t));
        if (gauges == NULL) {
            abort();
        }

        gauges->kinds = kinds;
        gauges->nkinds = 2;

        x->ctx = gauges;
        x->step = mdm_gauges_get;
        break;

    case 6:
        x->step = mdm_gauges_step;
        break;

    case 5:
        hook = mdm_arena_zalloc(x->arena, sizeof(mdm_hook_t));
        if (hook == NULL) {
            abort();
        }

        hook->webhook = &fuzz_webhook;
        mdm_str_set(&hook->tag, "mdm:{default/1}");
        mdm_str_set(&hook->runner, "fuzz");

        x->ctx = hook;
        x->step = mdm_hook_step;
        break;

    case 4:
        x->step = mdm_hook_job_step;
        break;

    case 3:
        fuzz_enroll(f, x);
        break;

    case 0:
        x->kind = MDM_KIND_AUTH;
        x->identity.source = MDM_IDENTITY_TLS;
        mdm_str_set(&x->identity.digest, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
        mdm_str_set(&x->identity.sha256, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                                         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
        x->step = mdm_auth;
        break;

    case 1:
        look = mdm_arena_zalloc(x->arena, sizeof(mdm_job_look_t));
        if (look == NULL) {
            abort();
        }

        mdm_str_set(&look->runner, "fuzz");

        look->most = fuzz_next(f, 4);
        look->held = held;
        look->nheld = fuzz_next(f, 3);

        x->ctx = look;
        x->step = mdm_job_look_step;
        break;

    default:
        x->step = mdm_ddm_rollout_step;
    }
}


#endif /* _FUZZ_OTHER_H_INCLUDED_ */
