
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The admin API: one step function an endpoint.
 */


#ifndef _MDM_API_H_INCLUDED_
#define _MDM_API_H_INCLUDED_


#include "mdm_exchange.h"


/* PUT, POST /v1/enqueue/ID[,ID…] */
mdm_int_t mdm_api_enqueue_step(mdm_exchange_t *x);

/* GET /v1/queue/ID; DELETE /v1/queue/ID[,ID…] */
mdm_int_t mdm_api_queue_list_step(mdm_exchange_t *x);
mdm_int_t mdm_api_queue_clear_step(mdm_exchange_t *x);

/* GET, DELETE /v1/queue/ID/UUID */
mdm_int_t mdm_api_command_get_step(mdm_exchange_t *x);
mdm_int_t mdm_api_command_delete_step(mdm_exchange_t *x);

/* GET /v1/enrollments/ID */
mdm_int_t mdm_api_enrollment_get_step(mdm_exchange_t *x);

/* POST /v1/enrollments/query, GET /v1/enrollments */
mdm_int_t mdm_api_enrollment_query_step(mdm_exchange_t *x);

/* DELETE /v1/enrollments/ID/certificate */
mdm_int_t mdm_api_pin_reset_step(mdm_exchange_t *x);

/* GET /v1/setups; PUT, GET, DELETE /v1/setups/NAME */
mdm_int_t mdm_api_setup_list_step(mdm_exchange_t *x);
mdm_int_t mdm_api_setup_put_step(mdm_exchange_t *x);
mdm_int_t mdm_api_setup_get_step(mdm_exchange_t *x);
mdm_int_t mdm_api_setup_delete_step(mdm_exchange_t *x);

/* POST /v1/enrollments/ID[,ID…]/unenroll; DELETE /v1/enrollments/ID */
mdm_int_t mdm_api_unenroll_step(mdm_exchange_t *x);
mdm_int_t mdm_api_forget_step(mdm_exchange_t *x);

/* PUT /v1/enrollments/ID/enrollment */
mdm_int_t mdm_api_adopt_step(mdm_exchange_t *x);

/* POST, DELETE /v1/enrollments/ID/block */
mdm_int_t mdm_api_block_step(mdm_exchange_t *x);
mdm_int_t mdm_api_unblock_step(mdm_exchange_t *x);

/* POST /v1/enrollments/ID[,ID…]/secrets/release, and with a filter */
mdm_int_t mdm_api_secrets_release_step(mdm_exchange_t *x);
mdm_int_t mdm_api_secrets_release_filter_step(mdm_exchange_t *x);

/* PUT /migration */
mdm_int_t mdm_api_migration_step(mdm_exchange_t *x);

/* GET /v1/declaration-status/ID[,ID…], /v1/status-errors/…,
   /v1/status-values/… */
mdm_int_t mdm_api_status_declarations_step(mdm_exchange_t *x);
mdm_int_t mdm_api_status_errors_step(mdm_exchange_t *x);
mdm_int_t mdm_api_status_values_step(mdm_exchange_t *x);

/* GET /v1/status-report/ID, /v1/status/ID; POST /v1/status/query */
mdm_int_t mdm_api_status_report_step(mdm_exchange_t *x);
mdm_int_t mdm_api_status_get_step(mdm_exchange_t *x);
mdm_int_t mdm_api_status_query_step(mdm_exchange_t *x);

/* GET /version */
mdm_int_t mdm_api_version_step(mdm_exchange_t *x);

/* GET, POST /v1/push/ID[,ID…] */
mdm_int_t mdm_api_push_step(mdm_exchange_t *x);

/* PUT, GET, DELETE /v1/pushcert; GET /v1/pushcerts */
mdm_int_t mdm_api_pushcert_put_step(mdm_exchange_t *x);
mdm_int_t mdm_api_pushcert_get_step(mdm_exchange_t *x);
mdm_int_t mdm_api_pushcert_delete_step(mdm_exchange_t *x);
mdm_int_t mdm_api_pushcert_list_step(mdm_exchange_t *x);

/* POST /v1/challenge; GET /v1/challenges; DELETE /v1/challenges/ID */
mdm_int_t mdm_api_challenge_post_step(mdm_exchange_t *x);
mdm_int_t mdm_api_challenges_step(mdm_exchange_t *x);
mdm_int_t mdm_api_challenge_delete_step(mdm_exchange_t *x);

/* POST, GET /v1/enrollment-links; DELETE /v1/enrollment-links/ID */
mdm_int_t mdm_api_links_step(mdm_exchange_t *x);
mdm_int_t mdm_api_link_delete_step(mdm_exchange_t *x);

/* POST /v1/enrollment-profiles/NAME */
mdm_int_t mdm_api_profile_step(mdm_exchange_t *x);

/* GET /v1/certificates, /v1/certificates/SHA256 */
mdm_int_t mdm_api_certificates_step(mdm_exchange_t *x);
mdm_int_t mdm_api_certificate_get_step(mdm_exchange_t *x);

/* PUT, GET, DELETE /v1/serials/SERIAL; GET /v1/serials */
mdm_int_t mdm_api_owned_step(mdm_exchange_t *x);
mdm_int_t mdm_api_owned_list_step(mdm_exchange_t *x);

/* GET /v1/webhooks; POST /v1/webhooks/NAME/test, …/replay; DELETE
   /v1/webhooks/NAME */
mdm_int_t mdm_api_webhook_list_step(mdm_exchange_t *x);
mdm_int_t mdm_api_webhook_test_step(mdm_exchange_t *x);
mdm_int_t mdm_api_webhook_replay_step(mdm_exchange_t *x);
mdm_int_t mdm_api_webhook_delete_step(mdm_exchange_t *x);

/* /v1/escrowkeyunlock: 501 */
mdm_int_t mdm_api_later_step(mdm_exchange_t *x);


/* what is assigned to one: mdm_api_enrollment_ddm.c, _subscription.c */

mdm_int_t mdm_api_enrollment_sets_step(mdm_exchange_t *x);
mdm_int_t mdm_api_enrollment_sets_all_step(mdm_exchange_t *x);
mdm_int_t mdm_api_enrollment_tags_step(mdm_exchange_t *x);
mdm_int_t mdm_api_enrollment_variables_step(mdm_exchange_t *x);
mdm_int_t mdm_api_enrollment_declarations_step(mdm_exchange_t *x);
mdm_int_t mdm_api_subscription_step(mdm_exchange_t *x);

/* declarations: mdm_api_declaration.c, _set.c, _watcher.c, _rollout.c,
   _notify.c */

mdm_int_t mdm_api_declaration_list_step(mdm_exchange_t *x);
mdm_int_t mdm_api_declaration_put_step(mdm_exchange_t *x);
mdm_int_t mdm_api_declaration_get_step(mdm_exchange_t *x);
mdm_int_t mdm_api_declaration_delete_step(mdm_exchange_t *x);
mdm_int_t mdm_api_declaration_touch_step(mdm_exchange_t *x);
mdm_int_t mdm_api_set_list_step(mdm_exchange_t *x);
mdm_int_t mdm_api_declaration_sets_step(mdm_exchange_t *x);
mdm_int_t mdm_api_set_declarations_step(mdm_exchange_t *x);
mdm_int_t mdm_api_set_put_step(mdm_exchange_t *x);
mdm_int_t mdm_api_set_delete_step(mdm_exchange_t *x);
mdm_int_t mdm_api_set_filter_get_step(mdm_exchange_t *x);
mdm_int_t mdm_api_set_filter_put_step(mdm_exchange_t *x);
mdm_int_t mdm_api_set_filter_delete_step(mdm_exchange_t *x);
mdm_int_t mdm_api_watcher_list_step(mdm_exchange_t *x);
mdm_int_t mdm_api_watcher_get_step(mdm_exchange_t *x);
mdm_int_t mdm_api_watcher_put_step(mdm_exchange_t *x);
mdm_int_t mdm_api_watcher_delete_step(mdm_exchange_t *x);
mdm_int_t mdm_api_rollout_step(mdm_exchange_t *x);
mdm_int_t mdm_api_notify_step(mdm_exchange_t *x);


/* mdm_api_endpoint.c */
extern const mdm_endpoint_t  mdm_api_endpoints[];


#endif /* _MDM_API_H_INCLUDED_ */
