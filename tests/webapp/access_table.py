"""What each address answers to whom (tests/webapp/test_access.py).

Alice owns a collection. Rita may read it, Walt may change it too; Bob, and Olga who is staff, have nothing to do with it.
`.` is the first page.
"""

TABLE = """
#      route                                                                    none  owner other reads writes staff
GET    setup/                                                                   login login login login login login
POST   setup/                                                                   login login login login login login
GET    login/                                                                   200   link  link  link  link  link
POST   login/                                                                   200   link  link  link  link  link
POST   logout/                                                                  login login login login login login
GET    account/                                                                 login 200   200   200   200   200
POST   account/password                                                         login 200   200   200   200   200
POST   account/tokens                                                           login 200   200   200   200   200
POST   account/tokens/<uuid:token_id>/delete                                    login link  404   404   404   404
POST   account/email                                                            login 200   200   200   200   200
POST   account/sessions/end                                                     login link  link  link  link  link
POST   account/sessions/<uuid:sign_in_id>/end                                   login link  404   404   404   404
GET    forgotten/                                                               200   200   200   200   200   200
POST   forgotten/                                                               200   200   200   200   200   200
GET    reset/<uidb64>/<token>/                                                  200   200   200   200   200   200
POST   reset/<uidb64>/<token>/                                                  200   200   200   200   200   200
GET    join/<str:token>/                                                        404   404   404   404   404   404
POST   join/<str:token>/                                                        404   404   404   404   404   404
GET    people/                                                                  login 404   404   404   404   200
POST   people/<int:user_id>                                                     login 404   404   404   404   link
POST   people/invitations                                                       login 404   404   404   404   200
POST   people/invitations/<uuid:invitation_id>/delete                           login 404   404   404   404   link

GET    .                                                                        login 200   200   200   200   200
POST   collections/                                                             login link  link  link  link  link
POST   samples/                                                                 login link  link  link  link  link
GET    collections/<uuid:collection_id>/                                        login 200   404   200   200   404
POST   collections/<uuid:collection_id>/rename                                  login link  404   403   403   404
GET    collections/<uuid:collection_id>/delete                                  login 200   404   403   403   404
POST   collections/<uuid:collection_id>/delete                                  login link  404   403   403   404
GET    collections/<uuid:collection_id>/members                                 login 200   404   403   403   404
POST   collections/<uuid:collection_id>/members                                 login link  404   403   403   404
POST   collections/<uuid:collection_id>/members/<uuid:member_id>/remove         login link  404   403   403   404
POST   collections/<uuid:collection_id>/leave                                   login link  404   link  link  404
POST   collections/<uuid:collection_id>/upload                                  login link  404   403   link  404
GET    documents/<uuid:document_id>/                                            login 200   404   200   200   404
GET    documents/<uuid:document_id>/original                                    login 200   404   200   200   404
GET    documents/<uuid:document_id>/pages/<int:number>/image                    login 200   404   200   200   404
GET    documents/<uuid:document_id>/about                                       login 200   404   200   200   404
POST   documents/<uuid:document_id>/rename                                      login link  404   403   link  404
POST   documents/<uuid:document_id>/move                                        login link  404   403   403   404
GET    documents/<uuid:document_id>/delete                                      login 200   404   403   200   404
POST   documents/<uuid:document_id>/delete                                      login link  404   403   link  404
POST   documents/<uuid:document_id>/retry                                       login link  404   403   link  404

POST   collections/<uuid:collection_id>/ask                                     login link  404   link  link  404
GET    questions/<uuid:question_id>/                                            login 200   404   200   200   404
GET    questions/<uuid:question_id>/export.<str:form>                           login 200   404   200   200   404
GET    questions/<uuid:question_id>/conversation.<str:form>                         login 200   404   200   200   404
GET    answers/<uuid:answer_id>/stream                                          404   200   404   200   200   404
POST   answers/<uuid:answer_id>/stop                                            login link  404   403   link  404
GET    answers/<uuid:answer_id>/links                                           login 200   404   403   200   404
POST   answers/<uuid:answer_id>/links                                           login 200   404   403   200   404
POST   links/<uuid:link_id>/revoke                                              login link  404   403   link  404
GET    shared/<str:token>/                                                      200   200   200   200   200   200

GET    collections/<uuid:collection_id>/sweeps/                                 login 200   404   200   200   404
POST   collections/<uuid:collection_id>/sweep                                   login link  404   403   link  404
GET    sweeps/<uuid:sweep_id>/                                                  login 200   404   200   200   404
POST   sweeps/<uuid:sweep_id>/stop                                              login link  404   403   link  404
POST   sweeps/<uuid:sweep_id>/continue                                          login link  404   403   link  404
POST   cells/<uuid:cell_id>/verdict                                             login link  404   403   link  404
GET    sweeps/<uuid:sweep_id>/export.<str:form>                                 login 200   404   200   200   404

GET    jobs/                                                                    login 200   200   200   200   200
POST   jobs/<uuid:job_id>/retry                                                 login link  404   404   404   link
POST   jobs/<uuid:job_id>/cancel                                                login link  404   404   404   link
GET    dashboard/                                                               login 404   404   404   404   200
GET    metrics                                                                  404   404   404   404   404   404
POST   appearance                                                               link  link  link  link  link  link
GET    words.js                                                                 200   200   200   200   200   200
GET    healthz                                                                  200   200   200   200   200   200

GET    api/v1/^(?P<rest>.*)$                                                    404   404   404   404   404   404
GET    api/v1/docs                                                              200   200   200   200   200   200
GET    api/v1/openapi.json                                                      200   200   200   200   200   200
GET    api/v1/collections                                                       401   200   200   200   200   200
POST   api/v1/collections                                                       401   201   201   201   201   201
GET    api/v1/collections/<collection_id>                                       401   200   404   200   200   404
PATCH  api/v1/collections/<collection_id>                                       401   200   404   403   403   404
DELETE api/v1/collections/<collection_id>                                       401   204   404   403   403   404
GET    api/v1/collections/<collection_id>/documents                             401   200   404   200   200   404
POST   api/v1/collections/<collection_id>/uploads                               401   201   404   403   201   404
POST   api/v1/collections/<collection_id>/documents                             401   202   404   403   202   404
GET    api/v1/collections/<collection_id>/questions                             401   200   404   200   200   404
POST   api/v1/collections/<collection_id>/questions                             401   202   404   202   202   404
POST   api/v1/collections/<collection_id>/sweeps                                401   202   404   403   202   404
GET    api/v1/documents/<document_id>                                           401   200   404   200   200   404
PATCH  api/v1/documents/<document_id>                                           401   200   404   403   200   404
DELETE api/v1/documents/<document_id>                                           401   204   404   403   204   404
POST   api/v1/documents/<document_id>/retry                                     401   202   404   403   202   404
GET    api/v1/uploads                                                           401   200   200   200   200   200
GET    api/v1/uploads/<upload_id>                                               401   200   404   404   404   404
PUT    api/v1/uploads/<upload_id>                                               401   200   404   404   404   404
POST   api/v1/uploads/<upload_id>/finish                                        401   202   404   404   404   404
DELETE api/v1/uploads/<upload_id>                                               401   204   404   404   404   404
GET    api/v1/jobs                                                              401   200   200   200   200   200
GET    api/v1/jobs/<job_id>                                                     401   200   404   200   200   404
GET    api/v1/questions                                                         401   200   200   200   200   200
GET    api/v1/questions/<question_id>                                           401   200   404   200   200   404
GET    api/v1/questions/<question_id>/stream                                    401   200   404   200   200   404
POST   api/v1/questions/<question_id>/stop                                      401   202   404   403   202   404
GET    api/v1/questions/<question_id>/export.<form>                             401   200   404   200   200   404
GET    api/v1/sweeps                                                            401   200   200   200   200   200
GET    api/v1/sweeps/<sweep_id>                                                 401   200   404   200   200   404
GET    api/v1/sweeps/<sweep_id>/cells                                           401   200   404   200   200   404
POST   api/v1/sweeps/<sweep_id>/stop                                            401   202   404   403   202   404
POST   api/v1/sweeps/<sweep_id>/continue                                        401   202   404   403   202   404
GET    api/v1/sweeps/<sweep_id>/export.<form>                                   401   200   404   200   200   404
"""
